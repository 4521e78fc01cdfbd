/* The console's keys. They press what stands on the page with their name in data-key (or, after g, in data-go), so a key can do nothing that
   the person could not click. They never fire while somebody writes, in a dialog or a menu, or together with Ctrl, Alt or Meta. */
(() => {
  const ROWS = ".list tr.opens, .rows > a.item[href]", GO_WITHIN = 1500;
  const shown = (el) => !el.closest("[hidden], .hidden");
  const rows = () => [...document.querySelectorAll(ROWS)].filter((row) => row.offsetParent !== null);
  const linkOf = (row) => (row?.matches("a") ? row : row?.querySelector("a.open"));
  // Known by its address, and marked by a rule: news draw the rows anew.
  const address = (row) => linkOf(row)?.getAttribute("href");
  const marking = document.head.appendChild(document.createElement("style"));
  let here = null, goUntil = 0;
  const current = () => (here ? rows().find((row) => address(row) === here) : null);
  const walk = (step) => {
    const all = rows(), at = all.indexOf(current());
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    here = address(next);
    const quoted = CSS.escape(here);
    marking.textContent = `.list tr.opens:has(a.open[href="${quoted}"]), .rows > a.item[href="${quoted}"] { background: var(--hover); box-shadow: inset 3px 0 0 var(--link); }`;
    linkOf(next)?.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const press = (el) => {
    const field = el.matches("input, textarea") ? el : el.querySelector("input, textarea");
    // A dialog that opens gives the focus back to what had it.
    field ? field.focus() : (el.focus({ preventScroll: true }), el.click());
  };
  const named = (key) => [...document.querySelectorAll("[data-key]")].find((el) => el.dataset.key.split(" ").includes(key) && shown(el));
  // What follows g within a moment is a page's letter, and never anything else.
  const went = (key) => {
    if (Date.now() > goUntil) return false;
    goUntil = 0;
    document.querySelector(`.side a[data-go="${CSS.escape(key)}"]`)?.click();
    return true;
  };
  const isWriting = (at) => at.closest?.("input, textarea, select, [contenteditable]:not([contenteditable=false])");
  document.addEventListener("keydown", (event) => {
    const at = event.target, key = event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented || (event.repeat && !"jk".includes(key))) return;
    if (document.querySelector(".q-dialog, .q-menu")) return;
    if (isWriting(at)) {
      // Out of the field, so that keys count again. A field may use it first.
      if (key === "Escape") at.blur();
      return;
    }
    if (went(key)) return event.preventDefault();
    const keyed = named(key);
    if (key === "g" && document.querySelector(".side a[data-go]")) goUntil = Date.now() + GO_WITHIN;
    else if (keyed) press(keyed);
    else if ((key === "j" || key === "k") && rows().length) walk(key === "j" ? 1 : -1);
    else if (key === "x" && current()) current().querySelector(".cell-pick .q-checkbox")?.click();
    else if (key === "Enter" && current() && !at.closest?.("a, button")) linkOf(current()).click();
    else return;
    event.preventDefault();
  });

  // After a page change the focus is at the page's heading, where a screen reader goes on. A page that was opened anew begins at its top.
  const change = performance.getEntriesByType("navigation")[0]?.type === "navigate" && document.referrer.startsWith(`${location.origin}/console`);
  const toHeading = (triesLeft) => {
    if (document.activeElement && document.activeElement !== document.body) return;
    const heading = document.querySelector("main h1");
    if (!heading) return void (triesLeft && setTimeout(toHeading, 100, triesLeft - 1));
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  };
  if (change && !location.hash) addEventListener("load", () => setTimeout(toHeading, 50, 30));
})();
