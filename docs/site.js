// What Material leaves to be said: its search is a dialog without a name, what scrolls takes no key, and its copy buttons
// stand in landmarks of one name.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
document$.subscribe(() => setTimeout(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) box.tabIndex = 0;
  document.querySelectorAll(".md-code__nav").forEach((nav, i) => nav.setAttribute("aria-label", `Code block ${i + 1}`));
}));
