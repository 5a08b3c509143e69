// The masks that a separation applied: each stem over its mixture.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const SHOWN_DB = 80; // of the mixture, from its loudest down

  // Stems whose mask can be drawn: [{source, name, stem, mixture}], points both.
  stemfx.masksOf = (data) => {
    const points = stemfx.pointsById(data);
    return Object.entries(data.separation ?? {}).flatMap(([source, { mixture, stems }]) =>
      Object.entries(stems)
        .map(([name, stem]) => ({ source, name, stem: points.get(stem), mixture: points.get(mixture) }))
        .filter((mask) => mask.stem?.spectrogram && mask.mixture?.spectrogram));
  };

  async function drawMask(place, words, data, page, { source, name, stem, mixture }, kept) {
    const time = stemfx.timeOf([stem, mixture], data, page);
    const [s, m] = await Promise.all([stem, mixture].map((point) => stemfx.decode.spectrogram(point, data.picture)));
    if (!place.isConnected) return;
    const share = await stemfx.inTurn(() => stemfx.energyShare(s, m));
    words.textContent = Number.isFinite(share) ? `${stemfx.said.percent(share)} of the energy` : "the mixture is silent";
    stemfx.drawInTurn(kept, place, () => stemfx.heat(place, {
      page: time.page, length_s: time.length_s, data, kind: "level", range: [0, 1], height: 110,
      map: stemfx.maskOf(s, m, Math.max(-100, stemfx.most(m.level_db) - SHOWN_DB)),
      unit: (x) => stemfx.said.level(x, x % 1 ? 2 : 0),
      label: `Mask of ${name} of ${source}: ${words.textContent}`,
    }));
  }

  (stemfx.pictures ??= []).push({
    id: "masks",
    title: "Masks of the separation",
    help: "Bright: this stem got all of the mixture there; black: none of it. Good: clear shapes (harmonics of a voice, " +
      "stripes of drums); a haze over everything is bleed, and holes in a bright shape will sound watery.",
    wants: (data) => stemfx.masksOf(data).length > 0,
    draw: (element, data, page) => {
      const { el } = stemfx.dom;
      const kept = stemfx.keeper();
      const has_more = Object.keys(data.separation).length > 1;
      const masks = stemfx.masksOf(data);
      const { note } = stemfx.timeOf(masks.map(({ mixture }) => mixture), data, page);
      if (note) element.append(note);
      for (const mask of masks) {
        const words = el("span", { class: "pic-aside" });
        const place = el("div", { class: "pic-room" });
        element.append(el("h4", { class: "pic-name" }, has_more ? `${mask.source}: ${mask.name} ` : `${mask.name} `, words), place);
        kept.keep(stemfx.whenSeen(place, () => stemfx.orSaid(place, drawMask(place, words, data, page, mask, kept))));
      }
      return { destroy: kept.end };
    },
  });
})();
