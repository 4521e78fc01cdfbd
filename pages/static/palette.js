/* The search over every page: opened, walked through and closed here; the server is asked only what a text may mean. */
(() => {
  const RESTS = 120, PATIENCE = 6000, PRESSED = "inet-press", PRESS_WITHIN = 15000;
  let number = 0, shownNumber = 0, timer = null, impatient = null, watched = null, isUntouched = true, isAwaited = false;
  const dialog = () => document.querySelector("dialog.palette");
  const field = () => document.getElementById("palette-text");
  const found = () => document.getElementById("palette-found");
  const options = () => [...found().querySelectorAll('[role="option"]')];
  const chosen = () => found().querySelector('[aria-selected="true"]');
  const ofDialog = (event) => event.target.closest?.("dialog.palette");

  const choose = (option, isSeen = true) => {
    chosen()?.setAttribute("aria-selected", "false");
    if (!option) return field().removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    field().setAttribute("aria-activedescendant", option.id);
    if (isSeen) option === options()[0] ? (found().scrollTop = 0) : option.scrollIntoView({ block: "nearest" });
  };
  const walk = (step) => {
    const all = options(), at = all.indexOf(chosen());
    if (!all.length) return;
    isUntouched = false;
    choose(all[(at + step + all.length) % all.length]);
  };
  const busy = (isBusy) => dialog().classList.toggle("busy", isBusy);
  const send = (name, detail) => dialog().dispatchEvent(new CustomEvent(name, { detail }));
  const ask = () => {
    clearTimeout(timer);
    timer = null;
    number += 1;
    isUntouched = true;
    busy(true);
    dialog().classList.remove("silent");
    send("inet_ask", { text: field().value, number });
    clearTimeout(impatient);
    impatient = setTimeout(() => {
      busy(false);
      isAwaited = false;
      dialog().classList.add("silent");
    }, PATIENCE);
  };
  const soon = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  };
  // An answer is there once its number stands in the list. An older one is not, whatever way it took.
  const answered = () => {
    const root = found().querySelector("[data-number]");
    if (!root) return;
    const its = Number(root.dataset.number);
    if (its < shownNumber) return;
    shownNumber = its;
    if (its === number) {
      clearTimeout(impatient);
      busy(false);
      dialog().classList.remove("silent");
      document.getElementById("palette-said").textContent = root.dataset.said;
    }
    if (isUntouched || !chosen()) choose(options()[0]);
    // Enter was pressed before the answer was there: it means the first of it.
    if (isAwaited && its === number && !timer) {
      isAwaited = false;
      if (chosen()) follow(chosen(), false);
    }
  };
  const watch = () => {
    if (watched === found()) return;
    watched = found();
    new MutationObserver(answered).observe(watched, { childList: true });
  };
  const open = () => {
    const box = dialog();
    if (!box || box.open) return Boolean(box);
    watch();
    isAwaited = false;
    box.showModal();
    field().value = "";
    field().focus();
    ask();
    return true;
  };
  const close = () => dialog()?.close();

  /* doing what was chosen */
  const press = (label, until) => {
    const button = [...document.querySelectorAll(".page .q-btn, .page a")].find((el) => (el.querySelector(".block") ?? el).textContent.trim() === label && el.offsetParent);
    // Before the page talks with the server a click would be lost.
    if (button && window.did_handshake) button.click();
    else if (Date.now() < until) setTimeout(press, 100, label, until);
  };
  const follow = (option, isApart) => {
    const href = option.getAttribute("href"), path = new URL(href, location.href).pathname, label = option.dataset.press, what = option.dataset.do;
    if (what) {
      close();
      if (what === "keys") document.querySelector('[data-key="?"]')?.click();
      else send("inet_do", { do: what });
    } else if (isApart) window.open(href, "_blank", "noopener");
    else if (label && path === location.pathname) {
      close();
      press(label, Date.now() + PRESS_WITHIN);
    } else {
      // Only this script can leave such a wish: a link from elsewhere presses nothing.
      if (label) sessionStorage.setItem(PRESSED, JSON.stringify({ path, label, until: Date.now() + PRESS_WITHIN }));
      busy(true);
      location.assign(href);
    }
  };
  const entered = (event) => {
    isAwaited = timer !== null || dialog().classList.contains("busy");
    if (timer !== null) ask();
    if (!isAwaited && chosen()) follow(chosen(), event.ctrlKey || event.metaKey);
  };
  addEventListener("load", () => {
    if (/Mac|iPhone|iPad/.test(navigator.platform)) document.querySelectorAll(".palette-open kbd").forEach((el) => (el.textContent = "⌘ K"));
    const kept = sessionStorage.getItem(PRESSED);
    if (!kept) return;
    sessionStorage.removeItem(PRESSED);
    const { path, label, until } = JSON.parse(kept);
    if (path === location.pathname) press(label, until);
  });
  // Come back to by the browser's own way back, the page is as it was left: with the search open.
  addEventListener("pageshow", (event) => event.persisted && (close(), dialog() && busy(false)));

  /* keys and clicks. In the capture phase: also in a field, in a dialog or in a menu that keeps keys for itself. */
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      if (dialog()?.open ? (close(), true) : open()) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
      return;
    }
    if (!ofDialog(event) || !dialog().open) return;
    // What lies under the search must not hear of it: Esc would close a dialog there as well.
    event.stopPropagation();
    if (event.isComposing) return;
    const at = event.key;
    if (at === "Escape") close();
    else if (at === "ArrowDown") walk(1);
    else if (at === "ArrowUp") walk(-1);
    else if (at === "Enter" && event.target === field()) entered(event);
    else return;
    event.preventDefault();
  }, true);
  addEventListener("keyup", (event) => ofDialog(event) && event.stopPropagation(), true);
  // Quasar's dialogs call the focus back to themselves; they hear of it by this event.
  addEventListener("focusin", (event) => ofDialog(event) && event.stopPropagation(), true);
  addEventListener("input", (event) => {
    if (event.target !== field()) return;
    isAwaited = false;
    soon(RESTS);
  }, true);
  addEventListener("pointermove", (event) => {
    const option = ofDialog(event) && event.target.closest('[role="option"]');
    if (option && option !== chosen()) choose(option, false);
  });
  addEventListener("click", (event) => {
    if (event.target.closest?.(".palette-open")) return void open();
    if (!ofDialog(event)) return;
    const option = event.target.closest('[role="option"]');
    if (event.target === dialog() || event.target.closest(".palette-close")) close();
    else if (event.target.closest(".palette-again")) ask();
    else if (option) {
      event.preventDefault();
      follow(option, event.ctrlKey || event.metaKey || event.button === 1);
    }
  });
})();
