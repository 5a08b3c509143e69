// The null receipt: what the stems do not give back of their song, per band and per minute.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // From which null (dB) on what is missing is what to the ear.
  const KINDS = [
    [-Infinity, "exact", "nothing that can be heard is missing"],
    [-90, "good", "what is missing lies under the noise of any recording"],
    [-50, "fair", "what is missing is masked by the music"],
    [-30, "poor", "what is missing may be heard: hiss, reverb tails or ambience"],
    [-15, "lost", "a part of the song is missing"],
  ];
  stemfx.nullKind = (null_db) => KINDS.reduce((found, kind) => (null_db >= kind[0] ? kind : found), KINDS[0]);

  // The share of the song's energy that the stems do not give back: "0.01 %", "a billionth of 1 %".
  function shareInWords(null_db) {
    const percent = 100 * 10 ** (null_db / 10);
    if (percent >= 0.001) return `${Number(percent.toPrecision(2))} %`;
    return percent >= 1e-9 ? "less than a thousandth of 1 %" : "less than a billionth of 1 %";
  }

  stemfx.nullInWords = ({ source, null_db }) => null_db === null
    ? `${source} is silent: there is nothing to miss.`
    : `The stems of ${source} give it back but for ${shareInWords(null_db)} of its energy ` +
      `(null ${stemfx.said.level(null_db)} dB): ${stemfx.nullKind(null_db)[2]}.`;

  // The weakest place: {minute, band, null_db}, or null where every cell is empty.
  stemfx.weakestNull = ({ minutes }) => {
    let found = null;
    minutes.forEach((bands, minute) => bands.forEach((null_db, band) => {
      if (null_db !== null && (!found || null_db > found.null_db)) found = { minute, band, null_db };
    }));
    return found;
  };

  const cell = (null_db) => stemfx.dom.el("span", {
    class: null_db === null ? "pic-null" : `pic-null pic-null-${stemfx.nullKind(null_db)[1]}`,
    text: null_db === null ? "–" : stemfx.said.level(null_db, 0),
    title: null_db === null ? "nothing here" : stemfx.nullKind(null_db)[2],
  });

  (stemfx.pictures ??= []).push({
    id: "receipt",
    title: "Null receipt",
    help: "The stems were added up and taken from their song: this is what is left, in dB below the song, per band and minute. " +
      "Good: −50 and lower everywhere; a number near 0 says that this band got lost on the way.",
    wants: (data) => (data.receipts ?? []).length > 0,
    draw: (element, data) => {
      const { el } = stemfx.dom;
      for (const receipt of data.receipts) {
        const weakest = stemfx.weakestNull(receipt);
        const where = weakest && receipt.bands_hz[weakest.band];
        element.append(el("p", { class: "pic-words", text: `${stemfx.nullInWords(receipt)}${weakest
          ? ` Weakest: ${stemfx.said.level(weakest.null_db)} dB at ${stemfx.said.band(...where)} in minute ${weakest.minute + 1}.` : ""}` }));
        element.append(stemfx.table(`What the stems of ${receipt.source} do not give back, dB`,
          ["Band", ...receipt.minutes.map((_, k) => `Minute ${k + 1}`)],
          receipt.bands_hz.map(([low, high], band) =>
            [stemfx.said.band(low, high), ...receipt.minutes.map((bands) => cell(bands[band]))])));
      }
      element.append(el("p", { class: "pic-legend" }, ...KINDS.map(([, kind, words]) =>
        el("span", { class: "pic-entry" }, el("span", { class: `pic-null pic-null-${kind}`, "aria-hidden": "true", text: "\u00a0" }), words))));
      return {};
    },
  });
})();
