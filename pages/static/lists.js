/* What a list keeps in the browser while news draw its rows anew: where the focus is; and whether its table is wider than its place. */
(() => {
  const key = (el) => `[data-keep="${CSS.escape(el.dataset.keep)}"]`;
  const lines = (list) => [...list.querySelectorAll(list.matches(".list") ? "tbody tr" : "button")];
  let kept = null;
  document.addEventListener("focusin", ({ target }) => {
    const el = target.closest?.("[data-keep]"), list = el?.closest(".list, .list-bar");
    kept = list ? { el, list, which: key(el), row: lines(list).indexOf(el.closest("tbody tr") || el) } : null;
  });
  // Whoever leaves a row by will leaves it in the page; news take the row away under the focus.
  document.addEventListener("focusout", ({ target }) => setTimeout(() => {
    if (kept && target.isConnected && document.activeElement === document.body) kept = null;
  }));
  const again = () => {
    if (!kept || kept.el.isConnected || document.activeElement !== document.body || !kept.list.isConnected) return;
    const all = lines(kept.list), beside = all[Math.min(Math.max(kept.row, 0), all.length - 1)];
    // What is gone leaves the focus to what came into its place.
    const next = kept.list.querySelector(kept.which) || beside?.querySelector("[data-keep]") || (beside?.matches("button") && beside);
    next?.focus?.({ preventScroll: true });
  };
  const measure = () => document.querySelectorAll(".list").forEach((list) => {
    const middle = list.querySelector(".q-table__middle");
    if (!middle) return;
    const isWide = middle.querySelector("table").offsetWidth > list.clientWidth + 1;
    list.toggleAttribute("data-wide", isWide);
    // Without a link or a button in its rows, keys reach what is out of sight only if the table itself takes the focus.
    const takesFocus = isWide && !middle.querySelector("a[href], button:not([disabled]), input");
    middle.toggleAttribute("tabindex", takesFocus);
    if (takesFocus) Object.entries({ tabindex: "0", role: "region", "aria-label": "Table, scrolls sideways" }).forEach((one) => middle.setAttribute(...one));
    else ["role", "aria-label"].forEach((one) => middle.removeAttribute(one));
  });
  let waits = false;
  const soon = () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      measure();
    });
  };
  addEventListener("resize", soon);
  new MutationObserver((changes) => {
    again();
    if (changes.some(({ target, addedNodes }) => target.closest?.(".list") || [...addedNodes].some((one) => one.querySelector?.(".list")))) soon();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
