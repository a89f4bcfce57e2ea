#!/usr/bin/env bash
# The wheel as a stranger gets it: a fresh environment of a user without root, libraries from the registries, no
# compiler of the system's on PATH, the installation read-only. Takes minutes; run by hand, as root or as any user:
#   tests/install_as_a_user.sh dist/rnnpool_hil-*.whl [python3.12]
set -euo pipefail
package=$(realpath "$1")
python=$(command -v "${2:-python3}")
commands=$(mktemp)
trap 'rm -f "$commands"' EXIT
cat >"$commands" <<'EOF'
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check "${TORCH:-torch==2.13.0}"
environment/bin/python -m pip install --quiet --disable-pip-version-check "rnnpool-hil[toolchain] @ file://$PACKAGE" || exit 3
chmod -R a-w environment
mkdir bin empty
for program in sh bash env cat ls mkdir rm chmod uname; do ln -s "$(PATH=/usr/bin:/bin command -v $program)" bin/; done
export PATH="$folder/environment/bin:$folder/bin"
cd empty
hil --version
hil doctor || true  # target native lacks a compiler for this computer
hil demo
hil run rnnpool_face_m4 build/demo/image.png
hil bench
hil profile rnnpool_face_m4 build/demo/image.png
pytest --pyargs hil.suite -q -p no:cacheprovider
hil init mine
cd mine
pytest -q
robot --outputdir build/robot firmware.robot
echo "all of it works: $(hil --version)"
EOF
chmod a+r "$commands"
if [ "$(id -u)" = 0 ]; then
    id hil-stranger >/dev/null 2>&1 || useradd --create-home hil-stranger
    exec su hil-stranger -s /bin/bash -c "PACKAGE='$package' PYTHON='$python' TORCH='${TORCH:-torch==2.13.0}' bash '$commands'"
fi
PACKAGE=$package PYTHON=$python bash "$commands"
