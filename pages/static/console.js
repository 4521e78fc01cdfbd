/* Two things a server should not be asked for: clocks that tick, and the clipboard. The words are those of pages/components/words.py. */
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
  const tick = () => {
    const now = Date.now();
    document.querySelectorAll("time[data-at]").forEach((el) => {
      const at = Date.parse(el.dataset.at), text = el.dataset.mode === "left" ? left(at, now) : relative(at, now);
      if (el.textContent !== text) el.textContent = text;
    });
  };
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
})();
