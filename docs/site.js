// What Material leaves to be said: its search is a dialog without a name, and a table that scrolls takes no key.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
document$.subscribe(() => setTimeout(() => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) table.tabIndex = 0;
}));
