// What every page of the portal must hold, told as a list of what it does not: [] is good. Evaluated in the page by the tests.
() => {
  const found = [];
  const isShown = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden";
  const name = (element) => `<${element.localName}> "${(element.innerText || element.name || element.id || "").trim().slice(0, 40)}"`;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);

  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  if (all("h1").length !== 1) found.push(`${all("h1").length} headings of the first level`);
  if (all("main").length !== 1) found.push("not one main part");
  if (document.documentElement.scrollWidth > innerWidth) found.push(`scrolls sideways: ${document.documentElement.scrollWidth} of ${innerWidth}`);
  if (/user-scalable|maximum-scale/.test(document.querySelector("meta[name=viewport]").content)) found.push("cannot be zoomed");

  for (const field of all("input, textarea, select")) {
    if (!field.labels.length || !field.labels[0].textContent.trim()) found.push(`no label: ${name(field)}`);
  }
  for (const image of all("img, svg, [role=img]")) {
    if (!image.closest("[role=img][aria-label]") && !image.alt) found.push(`no words for a picture: ${image.localName}`);
  }
  // Links in a line of text are as high as the line; everything else is for a thumb.
  const targets = [...all("button, input, textarea, select, summary"), ...all("a").filter((link) => getComputedStyle(link).display !== "inline")];
  for (const target of targets) {
    const { height, width } = target.getBoundingClientRect();
    if (height < 44 || width < 44) found.push(`too small for a thumb, ${Math.round(width)} x ${Math.round(height)}: ${name(target)}`);
  }

  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [red, green, blue, opacity = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (opacity === 1) return [red, green, blue];
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const light = (rgb) => {
    const [red, green, blue] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isShown(element) || element.closest("noscript, .unseen")) continue;
    const [high, low] = [light(numbers(getComputedStyle(element).color).slice(0, 3)), light(ground(element))].sort((one, other) => other - one);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${name(element)}`);
  }
  return found;
}
