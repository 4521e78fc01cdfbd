/* A lost connection says so, calmly, and mends itself; what was being written is carried over a reload. NiceGUI's own pop-up and its blunt
   reloads (which end on the browser's error page while the network is away) are replaced. */
(() => {
  const SHOW_AFTER = 1200, KEPT = "inet-words", RETURNS = "inet-returns", KEPT_FOR = 3600e3, FORGIVEN_AFTER = 20e3;
  const probe = document.currentScript.src;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const jitter = (ms) => ms * (0.6 + Math.random() * 0.8);
  let bar, words, again, lostTimer = null, isLost = false, isLeaving = false, isReturning = false, isOld = false, goodTimer = null;

  /* the bar */
  const make = () => {
    bar = document.createElement("div");
    bar.id = "connection";
    bar.setAttribute("role", "status");
    bar.innerHTML = '<span class="dot" aria-hidden="true"></span><span class="words"></span><button type="button" hidden>Try now</button>';
    [words, again] = [bar.querySelector(".words"), bar.querySelector("button")];
    again.addEventListener("click", () => (isReturning ? wake?.() : window.socket?.connect()));
    document.body.append(bar);
  };
  const show = (tone, text, mayTry = false) => {
    bar.className = tone;
    words.textContent = text;
    again.hidden = !mayTry;
  };
  const draw = () => {
    if (isLost) show("lost", "Connection lost. What you write is kept; trying again.", true);
    else if (isOld) show("old", "Live news is away for a moment: what you see may be a little old. It catches up by itself.");
    else show("", "");
  };
  const good = (text) => {
    show("good", text);
    clearTimeout(goodTimer);
    goodTimer = setTimeout(draw, 4000);
  };
  const lost = (atOnce = false) => {
    if (isLeaving || isLost) return;
    if (atOnce) {
      clearTimeout(lostTimer);
      isLost = true;
      draw();
    } else lostTimer ??= setTimeout(() => lost(true), SHOW_AFTER);
  };
  const back = () => {
    clearTimeout(lostTimer);
    lostTimer = null;
    const wasSaid = isLost;
    isLost = false;
    if (wasSaid) good("Connected again.");
  };
  window.inetNews = (isLive) => {
    const wasOld = isOld;
    isOld = !isLive;
    if (wasOld && isLive && !isLost) good("Live again, and up to date.");
    else draw();
  };

  /* what is being written */
  const fields = () => [...document.querySelectorAll("[data-draft]")].map((el) => (el.matches("input, textarea") ? el : el.querySelector("input, textarea"))).filter(Boolean);
  const nameOf = (field) => field.dataset.draft ?? field.closest("[data-draft]").dataset.draft;
  const touched = new Set();
  /* What an earlier page brought along and no field of this one has taken yet: another reload must not lose it. */
  let waiting = new Map(), placing = 0;
  document.addEventListener("input", (event) => {
    const at = event.target.closest?.("[data-draft]");
    if (at) touched.add(at.dataset.draft);
  });
  const keepWords = () => {
    const now = Object.fromEntries(fields().filter((one) => touched.has(nameOf(one))).map((one) => [nameOf(one), one.value]));
    const written = { ...Object.fromEntries(waiting), ...now };
    const active = document.activeElement?.closest?.("[data-draft]");
    const state = { at: Date.now(), path: location.pathname, y: scrollY, written, focus: active ? active.dataset.draft : null };
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(state));
    } catch {
      /* A full or forbidden storage: the server's draft is a second old at most. */
    }
  };
  const put = (field, text) => {
    const kind = field.matches("textarea") ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  /* Until the words stand there for a second: what the server sends first of all draws the field once more as it opened. Whoever has
     typed on already keeps that as well. */
  const settle = async (name, opened) => {
    let stood = 0;
    placing += 1;
    for (let looks = 0; looks < 60 && stood < 4; looks += 1) {
      await pause(300);
      const there = fields().find((one) => nameOf(one) === name);
      if (!there || !held?.connected) continue;
      const words = waiting.get(name), now = there.value;
      if (now === words) stood += 1;
      else if (now === opened) put(there, words);
      else if (stood === 0 && now.startsWith(opened) && !now.startsWith(words)) {
        waiting.set(name, words + now.slice(opened.length));
        put(there, waiting.get(name));
      } else break;
    }
    waiting.delete(name);
    placing -= 1;
  };
  const restore = () => {
    let state = null;
    try {
      state = JSON.parse(sessionStorage.getItem(KEPT) || "null");
      sessionStorage.removeItem(KEPT);
    } catch {
      return;
    }
    if (!state || state.path !== location.pathname || Date.now() - state.at > KEPT_FOR) return;
    waiting = new Map(Object.entries(state.written));
    const begun = new Set(), all = waiting.size;
    // A form that opens later, such as one in a dialog, finds its words as well.
    const place = () => {
      for (const field of fields()) {
        const name = nameOf(field);
        if (!waiting.has(name) || begun.has(name)) continue;
        begun.add(name);
        settle(name, field.value);
        if (name === state.focus) field.focus({ preventScroll: true });
      }
      if (begun.size === all) watcher.disconnect();
    };
    const watcher = new MutationObserver(place);
    watcher.observe(document.body, { childList: true, subtree: true });
    place();
    if (state.y) setTimeout(() => scrollTo({ top: state.y }), 50);
    good("Connected again. You are back where you were.");
  };

  /* coming back when this page's process is gone */
  let wake = null;
  const comeBack = async () => {
    if (isReturning) return;
    isReturning = true;
    lost();
    const last = JSON.parse(sessionStorage.getItem(RETURNS) || '{"count":0,"at":0}');
    const count = Date.now() - last.at < FORGIVEN_AFTER ? last.count + 1 : 0;
    sessionStorage.setItem(RETURNS, JSON.stringify({ count, at: Date.now() }));
    // Everybody of a process that died comes back at once: a little apart, and ever more slowly when it does not help.
    let wait = count ? Math.min(500 * 2 ** count, 10000) : 200;
    for (;;) {
      await Promise.race([pause(jitter(wait)), new Promise((done) => (wake = done))]);
      try {
        if ((await fetch(probe, { cache: "no-store" })).ok) break;
      } catch {
        /* Still away. */
      }
      wait = Math.min(Math.max(wait, 500) * 1.6, 5000);
    }
    keepWords();
    isLeaving = true;
    location.reload();
  };

  const tend = (socket) => {
    for (const name of ["disconnect", "connect_error", "try_reconnect"]) socket.off(name);
    let mayPoll = socket.io.opts.transports[0] === "websocket" && socket.io.opts.transports.includes("polling");
    socket.on("connect", back);
    socket.on("disconnect", (reason) => {
      lost(!navigator.onLine);
      if (reason === "io server disconnect") comeBack();
    });
    socket.on("connect_error", (error) => {
      if (error.message === "Implicit handshake failed") comeBack();
      else lost();
      if (error.message === "timeout" && mayPoll) {
        mayPoll = false;
        socket.io.opts.transports = ["polling", "websocket"];
      }
    });
  };
  let held;
  Object.defineProperty(window, "socket", {
    configurable: true,
    get: () => held,
    set: (socket) => {
      held = socket;
      // NiceGUI hangs its own handlers on it in the same breath.
      queueMicrotask(() => {
        tend(socket);
        restore();
      });
    },
  });
  addEventListener("offline", () => lost(true));
  addEventListener("online", () => (isReturning ? wake?.() : held?.connected ? back() : held?.connect()));
  addEventListener("pagehide", (event) => {
    if (isLost || placing) keepWords();
    isLeaving = true;
    clearTimeout(lostTimer);
    // The server need not wait for this page to come back.
    if (!event.persisted && held?.connected) held.emit("leave");
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) isLeaving = false;
  });
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", make) : make();
})();
