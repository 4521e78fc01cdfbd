// Makes the portal's pages quicker: forms without reloads, waiting without reloads, a device token that brings a phone back.
// Every page works without this file. Storage may throw and the window may close at any moment, so nothing here is relied upon.
"use strict";
(() => {
  const { js: texts, units } = JSON.parse(document.body.dataset.texts);
  const main = () => document.querySelector("main");
  const status = document.getElementById("status");
  let shownAt = Date.now();
  let timer;

  const device = {
    get() {
      try { return localStorage.getItem("device") || ""; } catch (e) { return ""; }
    },
    set(token) {
      try { localStorage.setItem("device", token); } catch (e) { /* no storage in this window */ }
    },
  };

  async function ask(url, body) {
    const headers = { "X-Portal": "fragment" };
    if (device.get()) headers["X-Device-Token"] = device.get();
    const answer = await fetch(url, { method: body ? "POST" : "GET", body, headers, cache: "no-store" });
    const token = answer.headers.get("X-Device-Token");
    if (token) device.set(token);
    return answer;
  }

  const parse = (html) => new DOMParser().parseFromString(html, "text/html").querySelector("main");

  // Puts another `main` in place. A page the customer went to takes the focus; a change while waiting is only announced.
  function show(fresh, isNewPage) {
    if (!fresh) return;
    const brand = document.title.split(" · ").pop();
    main().replaceWith(fresh);
    document.title = fresh.dataset.title + " · " + brand;
    shownAt = Date.now();
    if (isNewPage) {
      scrollTo(0, 0);
      (fresh.querySelector("[aria-invalid]") || fresh).focus();
    } else {
      status.textContent = fresh.dataset.title;
    }
    enliven();
  }

  async function visit(url) {
    const answer = await ask(url);
    history.pushState(null, "", url);
    show(parse(await answer.text()), true);
  }

  addEventListener("popstate", () => location.reload());

  addEventListener("submit", async (event) => {
    const form = event.target;
    const button = form.querySelector("button");
    const label = button.textContent;
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    status.textContent = button.textContent = texts.wait;
    try {
      const answer = await ask(form.action, new URLSearchParams(new FormData(form)));
      const next = answer.headers.get("X-Go");
      if (next) await visit(next);
      else show(parse(await answer.text()), true);
    } catch (e) {
      complain(form, texts.no_answer);
    }
    button.disabled = false;
    button.textContent = label;
  });

  function complain(form, text) {
    let alert = form.querySelector(".alert");
    if (!alert) {
      alert = document.createElement("p");
      alert.className = "alert";
      alert.setAttribute("role", "alert");
      form.prepend(alert);
    }
    alert.textContent = text;
  }

  // Waiting: a small question every 2.5 s, every 10 s after two minutes; the page itself is fetched only when something changed.
  function watch() {
    clearTimeout(timer);
    if (main().dataset.poll) timer = setTimeout(look, Date.now() - shownAt > 120000 ? 10000 : 2500);
  }

  async function look() {
    const shown = main();
    try {
      const answer = await ask(shown.dataset.poll);
      if (answer.ok && (answer.headers.get("Content-Type") || "").includes("json")) {
        const told = await answer.json();
        const state = [told.status, told.access ? told.access.state : "", told.reason || ""].join("/");
        if (state !== shown.dataset.state && shown === main()) show(parse(await (await ask(shown.dataset.self)).text()));
      } else if (answer.ok) {
        const fresh = parse(await answer.text());
        if (fresh && fresh.dataset.state !== shown.dataset.state && shown === main()) show(fresh);
      }
    } catch (e) { /* the network is changing under us, which is the point of it all: ask again */ }
    const slow = main().querySelector("[data-slow]");
    if (slow && slow.hidden && Date.now() - shownAt > slow.dataset.slow * 1000) {
      slow.hidden = false;
      status.textContent = slow.textContent;
    }
    watch();
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && main().dataset.poll) look();
  });

  // A phone that was here before is let in by its token, though its address and its captive window are new.
  async function comeBack() {
    const url = main().dataset.session;
    if (!url || !device.get()) return;
    try {
      const told = await (await ask(url)).json();
      if (told.device_token) device.set(told.device_token);
      if (told.access || told.payment) show(parse(await (await ask(main().dataset.self)).text()));
    } catch (e) { /* the price list is there already */ }
  }

  function inWords(seconds) {
    const parts = [["day", Math.floor(seconds / 86400)], ["hour", Math.floor(seconds % 86400 / 3600)], ["minute", Math.floor(seconds % 3600 / 60)]];
    while (parts.length && !parts[0][1]) parts.shift();
    return parts.slice(0, 2).filter(([, n]) => n).map(([name, n]) => n + "\u00a0" + units[name][n === 1 ? 0 : 1]).join(" ") || units.under_a_minute;
  }

  setInterval(() => {
    const clock = main().querySelector("[data-left]");
    if (!clock) return;
    const text = inWords(Math.max(0, clock.dataset.left - Math.floor((Date.now() - shownAt) / 1000)));
    if (text !== clock.textContent) clock.textContent = text;
  }, 5000);

  addEventListener("input", (event) => {
    const field = event.target;
    if (field.name !== "code" || field.selectionStart !== field.value.length || event.inputType === "deleteContentBackward") return;
    const code = field.value.toUpperCase().replace(/[^0-9A-Z]/g, "").slice(0, 14);
    field.value = [code.slice(0, 4), code.slice(4, 9), code.slice(9)].filter(Boolean).join("-");
  });

  addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.focus();
    field.setSelectionRange(0, field.value.length);
    let isCopied = false;
    try {
      // Only a secure page has the clipboard, and a hotspot's page seldom is one.
      if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
      isCopied = Boolean(navigator.clipboard) || document.execCommand("copy");
    } catch (e) { /* it stays selected */ }
    button.textContent = isCopied ? texts.link_copied : texts.link_selected;
    status.textContent = button.textContent;
  });

  function enliven() {
    main().querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
    watch();
  }

  enliven();
  comeBack();
})();
