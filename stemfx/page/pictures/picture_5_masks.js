// The masks that a separation applied: each stem over its mixture.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  async function drawStem(place, words, data, page, stem, mixture, name, kept) {
    const [s, m] = await Promise.all([stem, mixture].map((point) => stemfx.decode.spectrogram(point, data.picture)));
    if (!place.isConnected) return;
    const top_db = m.level_db.reduce((most, x) => Math.max(most, x), -Infinity);
    const map = stemfx.maskOf(s, m, Math.max(-100, top_db - 80));
    const share = stemfx.energyShare(s, m);
    words.textContent = Number.isFinite(share) ? `${stemfx.said.percent(share)} of the energy` : "the mixture is silent";
    kept.keep(stemfx.heat(place, {
      page, data, map, kind: "level", range: [0, 1], height: 110,
      unit: (x) => stemfx.said.level(x, x % 1 ? 2 : 0),
      label: `Mask of ${name}: ${words.textContent}`,
    }));
  }

  (stemfx.pictures ??= []).push({
    id: "masks",
    title: "Masks of the separation",
    help: "Bright: this stem got all of the mixture there; black: none of it. Good: clear shapes (harmonics of a voice, " +
      "stripes of drums); a haze over everything is bleed, and holes in a bright shape will sound watery.",
    wants: (data) => Object.keys(data.separation ?? {}).length > 0,
    draw: (element, data, page) => {
      const { el } = stemfx.dom;
      const points = stemfx.pointsById(data);
      const kept = stemfx.keeper();
      const separations = Object.entries(data.separation);
      for (const [source, { mixture, stems }] of separations) {
        for (const [stem, id] of Object.entries(stems)) {
          if (!points.get(id)?.spectrogram || !points.get(mixture)?.spectrogram) continue;
          const words = el("span", { class: "pic-aside" });
          const place = el("div", { class: "pic-room" });
          element.append(el("h4", { class: "pic-name" }, separations.length > 1 ? `${source}: ${stem} ` : `${stem} `, words), place);
          kept.keep(stemfx.whenSeen(place, () =>
            drawStem(place, words, data, page, points.get(id), points.get(mixture), `${stem} of ${source}`, kept)));
        }
      }
      return { destroy: kept.end };
    },
  });
})();
