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
    const button = event.submitter || form.querySelector("button");
    const label = button.textContent;
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    status.textContent = button.textContent = texts.wait;
    try {
      const answer = await ask(form.action, await contentOf(form, button));
      const next = answer.headers.get("X-Go");
      const fresh = next ? null : parse(await answer.text());
      if (next) await visit(next);
      else if (fresh) show(fresh, true);
      // No page of ours: what was typed stays where it is.
      else complain(form, answer.status === 413 ? texts.not_taken : texts.no_answer);
    } catch (e) {
      complain(form, texts.no_answer);
    }
    button.disabled = false;
    button.textContent = label;
  });

  async function contentOf(form, button) {
    const data = new FormData(form);
    if (button.name) data.append(button.name, button.value);
    if (form.enctype !== "multipart/form-data") return new URLSearchParams(data);
    for (const name of new Set(data.keys())) {
      const all = data.getAll(name);
      if (!all.some((value) => value instanceof File)) continue;
      data.delete(name);
      for (const value of all) if (value.size) data.append(name, await smaller(value), value.name);
    }
    return data;
  }

  // A phone's photo has several megabytes, and this network is slow: 1600 pixels show what is to be seen.
  async function smaller(file) {
    if (!/^image\/(jpeg|png|webp)$/.test(file.type) || file.size < 300000) return file;
    try {
      const picture = await createImageBitmap(file);
      const scale = Math.min(1, 1600 / Math.max(picture.width, picture.height));
      const paper = document.createElement("canvas");
      paper.width = Math.round(picture.width * scale);
      paper.height = Math.round(picture.height * scale);
      paper.getContext("2d").drawImage(picture, 0, 0, paper.width, paper.height);
      const made = await new Promise((done) => { paper.toBlob(done, "image/jpeg", .8); });
      return made && made.size < file.size ? made : file;
    } catch (e) { return file; }
  }

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
    if (!url) return scanned(location.pathname);
    try {
      if (device.get()) {
        const told = await (await ask(url)).json();
        if (told.device_token) device.set(told.device_token);
        if (told.access || told.payment) return show(parse(await (await ask(main().dataset.self)).text()));
      }
      const path = localStorage.getItem("scanned");
      localStorage.removeItem("scanned");
      if (path) await visit(path + url.slice(url.indexOf("?")).replace("context=", "c="));
    } catch (e) { /* the price list is there already */ }
  }

  // A QR opens a page that knows no hotspot: its code waits here for the hotspot's own page.
  function scanned(path) {
    if (!path.startsWith("/portal/v/") || main().querySelector("[name=c]")) return;
    try { localStorage.setItem("scanned", path); } catch (e) { /* no storage */ }
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

  // A refusal that says how long to wait counts down, and goes when the wait is over.
  setInterval(() => {
    const said = main().querySelector("[data-wait]");
    if (!said) return;
    const left = Math.ceil(said.dataset.wait - (Date.now() - shownAt) / 1000);
    if (left > 0) said.textContent = said.textContent.replace(/\d+/, left);
    else said.closest(".alert").remove();
  }, 1000);

  // SHA-256 of a short text, its first 32 bits: all that the price of a code needs. Plain-http pages have no crypto.subtle.
  const roots = [], starts = [], words = new Int32Array(64);
  const turn = (word, by) => word >>> by | word << 32 - by;

  function hash32(text) {
    for (let n = 2; roots.length < 64; n++) {
      let isPrime = true;
      for (let d = 2; d * d <= n; d++) isPrime = isPrime && n % d > 0;
      if (isPrime) roots.push(Math.cbrt(n) % 1 * 2 ** 32 | 0);
      if (isPrime && starts.length < 8) starts.push(Math.sqrt(n) % 1 * 2 ** 32 | 0);
    }
    words.fill(0, 0, 15);
    words[15] = text.length * 8;
    for (let i = 0; i <= text.length; i++) words[i >> 2] |= (i < text.length ? text.charCodeAt(i) : 128) << 24 - i % 4 * 8;
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      words[i] = words[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3) + words[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10);
    }
    let [a, b, c, d, e, f, g, h] = starts;
    for (let i = 0; i < 64; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + roots[i] + words[i] | 0;
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
      h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0;
    }
    return a + starts[0] >>> 0;
  }

  // Where many wrong codes were entered, each costs some work: done here, in pieces, then the form is sent again by itself.
  let paidForms = 0;

  async function pay(field) {
    const form = field.form;
    const button = form.querySelector("button");
    const label = button.textContent;
    const seed = form.elements.proof.value.slice(-32) + ".";
    button.disabled = true;
    status.textContent = button.textContent = texts.wait;
    for (let n = 0; field.isConnected; n++) {
      if (hash32(seed + n) < 2 ** (32 - field.dataset.bits)) {
        field.value = n;
        button.disabled = false;
        button.textContent = label;
        form.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
        return;
      }
      if (n % 2000 === 1999) await new Promise((goOn) => { setTimeout(goOn); });
    }
  }

  function enliven() {
    main().querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
    const price = main().querySelector("[data-bits]");
    if (price && paidForms++ < 5) pay(price);
    watch();
  }

  enliven();
  comeBack();
})();
