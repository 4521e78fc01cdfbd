/* What NiceGUI's Leaflet element is taught for the map of sites: a base map of our own, and all sites in one layer on a canvas.
   Loaded before the map is made (pages/components/site_map.py). */
(() => {
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();
  const BADNESS = { off: 0, good: 1, wait: 2, bad: 3 };
  const flip = (points) => points.map(([longitude, latitude]) => [latitude, longitude]);
  const words = (text) => Object.assign(document.createElement("span"), { textContent: text });

  L.Map.include({
    /* Once, before anything else: colours follow the light and the dark page. */
    inetPrepare() {
      this._inet = { styled: new Map(), places: new Map() };
      this._inet.restyle = (layer, style) => (this._inet.styled.set(layer, style), layer.setStyle(style()));
      const watcher = new MutationObserver(() => this._inet.styled.forEach((style, layer) => layer.setStyle(style())));
      watcher.observe(document.body, { attributes: true, attributeFilter: ["class"] });
      this.on("unload", () => watcher.disconnect());
      this.createPane("land").style.zIndex = 250;
      this.createPane("towns").style.zIndex = 300;
      this._inet.ground = L.svg({ pane: "land", padding: 0.5 });
      this._inet.canvas = L.canvas({ tolerance: 6, padding: 0.5 });
    },

    inetBase(address) {
      const drawn = { renderer: this._inet.ground, pane: "land", interactive: false };
      return fetch(address).then((answer) => answer.json()).then((country) => {
        const sea = L.polygon(flip(country.sea), drawn).addTo(this);
        this._inet.restyle(sea, () => ({ stroke: false, fillColor: colour("map-sea"), fillOpacity: 1 }));
        const land = L.polygon(flip(country.land), drawn).addTo(this);
        const river = L.polyline(flip(country.river), drawn).addTo(this);
        this._inet.restyle(land, () => ({ color: colour("map-edge"), weight: 1, fillColor: colour("map-land"), fillOpacity: 1 }));
        this._inet.restyle(river, () => ({ color: colour("map-water"), weight: 4, opacity: 1 }));
        const towns = country.towns.map(([name, latitude, longitude, rank]) => {
          const dot = L.circleMarker([latitude, longitude], { ...drawn, radius: 2, stroke: false }).addTo(this);
          this._inet.restyle(dot, () => ({ fillColor: colour("faint"), fillOpacity: 1 }));
          // Ground, as rivers are: what is to be known of places stands in words beside the map.
          dot.on("tooltipopen", ({ tooltip }) => tooltip.getElement()?.setAttribute("aria-hidden", "true"));
          dot.bindTooltip(words(name), { permanent: true, direction: "right", offset: [2, 0], className: "map-town", interactive: false, pane: "towns" });
          return [dot, rank];
        });
        // Small towns are named when there is room for their names.
        const name = () => towns.forEach(([dot, rank]) => (this.getZoom() >= 4.5 + rank * 2 ? dot.openTooltip() : dot.closeTooltip()));
        this.on("zoomend", name);
        name();
      });
    },

    /* `changed`: [id, latitude, longitude, tone, size, words, address] of sites that are new or other than before; `gone`: ids. */
    inetPlaces(changed, gone) {
      const { places, styled, canvas } = this._inet;
      const remove = (id) => {
        const old = places.get(id);
        if (old) styled.delete(old.remove());
        places.delete(id);
      };
      gone.forEach(remove);
      changed.forEach(([id, latitude, longitude, tone, size, text, address]) => {
        remove(id);
        const dot = L.circleMarker([latitude, longitude], { renderer: canvas, radius: 5 + Math.min(7, Math.sqrt(size)) });
        dot.bindTooltip(words(text), { direction: "top", className: "map-words" });
        if (address) dot.on("click", () => window.location.assign(address));
        dot.tone = tone;
        places.set(id, dot.addTo(this));
        this._inet.restyle(dot, () => ({ color: colour("surface"), weight: 1.5, fillColor: colour(tone), fillOpacity: 0.92 }));
      });
      [...places.values()].sort((a, b) => BADNESS[a.tone] - BADNESS[b.tone]).forEach((dot) => dot.bringToFront());
      this._container.dataset.places = places.size;
    },
  });
})();
