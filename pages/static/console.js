/* What a server should not be asked for: clocks that tick, the clipboard, cards that are dragged. Keys are in keys.js. The words are those of pages/components/words.py. */
(() => {
  const pad = (n) => String(n).padStart(2, "0");
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const span = (s) => {
    if (s < 60) return `${s} s`;
    const m = Math.floor(s / 60);
    if (m < 60) return `${m} min`;
    const h = Math.floor(m / 60);
    if (h < 24) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
    const d = Math.floor(h / 24);
    return h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
  };
  const coarse = (s) => (s < 3600 ? span(s - (s % 60)) : s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`);
  const relative = (at, now) => {
    const s = Math.round((now - at) / 1000);
    if (Math.abs(s) < 60) return s >= 0 ? "just now" : "in a moment";
    if (s < 0) return `in ${coarse(-s)}`;
    if (s < 86400) return `${coarse(s)} ago`;
    const d = new Date(at), year = d.getUTCFullYear() === new Date(now).getUTCFullYear() ? "" : ` ${d.getUTCFullYear()}`;
    return `${d.getUTCDate()} ${months[d.getUTCMonth()]}${year} ${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}`;
  };
  const left = (at, now) => (at > now ? span(Math.floor((at - now) / 1000)) : "over");
  const due = (at, now) => {
    const s = Math.trunc((at - now) / 1000);
    if (s > 0) return s >= 60 ? `in ${span(s)}` : "in a moment";
    return s <= -60 ? `${span(-s)} late` : "now";
  };
  const tick = () => {
    const now = Date.now();
    document.querySelectorAll("time[data-at]").forEach((el) => {
      const at = Date.parse(el.dataset.at), mode = el.dataset.mode;
      const text = mode === "left" ? left(at, now) : mode === "due" ? due(at, now) : relative(at, now);
      if (mode === "due") el.classList.toggle("late", at <= now);
      if (el.textContent !== text) el.textContent = text;
    });
  };
  // The menu is longer than many screens: the page that is open stands in sight.
  const showWhere = (tries) => {
    const here = document.querySelector(".side a.nav.here");
    if (here) here.scrollIntoView({ block: "nearest" });
    else if (tries) setTimeout(showWhere, 50, tries - 1);
  };
  showWhere(100);
  setInterval(tick, 5000);
  window.inetCopy = async (text) => {
    const done = (ok) => Quasar.Notify.create({ message: ok ? "Copied" : "Select the text and copy it by hand", timeout: 1500, position: "bottom" });
    try {
      await navigator.clipboard.writeText(text);
      return done(true);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      area.style.position = "fixed";
      (document.querySelector(".q-dialog") || document.body).appendChild(area);
      area.select();
      const ok = document.execCommand("copy");
      area.remove();
      return done(ok);
    }
  };
  // Cards of the board: the browser drags, the server decides.
  let dragged = null;
  const column = (event) => event.target.closest?.(".board [data-state]");
  const clear = () => document.querySelectorAll(".board .over").forEach((el) => el.classList.remove("over"));
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".board .card");
    dragged?.classList.add("dragged");
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
    clear();
  });
  document.addEventListener("dragover", (event) => {
    if (!dragged || !column(event)) return;
    event.preventDefault();
    clear();
    column(event).classList.add("over");
  });
  document.addEventListener("drop", (event) => {
    const to = column(event);
    if (!dragged || !to) return;
    event.preventDefault();
    const detail = { reference: dragged.dataset.reference, state: to.dataset.state };
    document.querySelector(".board").dispatchEvent(new CustomEvent("inet_move", { detail }));
  });
})();
