// Numbers in words, as a producer reads them.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  const { decimal, signedDb } = stemfx.dom;

  stemfx.said = {
    // A level or a value: "−14.0"; "silence" where there is none.
    level: (x, digits = 1) => x === -Infinity ? "silence"
      : x === null || x === undefined || Number.isNaN(x) ? "–" : decimal(x, digits),
    // A change: "+2.5 dB".
    change: (x, digits = 1) => x === null || x === undefined || Number.isNaN(x) ? "–"
      : signedDb(x, digits),
    hz: (f) => f < 1000 ? `${Math.round(f)} Hz` : `${Number((f / 1000).toFixed(f < 10000 ? 1 : 0))} kHz`,
    band: (low, high) => `${stemfx.said.hz(low).replace(high < 1000 || low >= 1000 ? /\D+$/ : "", "")}–${stemfx.said.hz(high)}`,
    percent: (x) => `${x > 0 && x < 0.1 ? Number((100 * x).toPrecision(1)) : Math.round(100 * x)} %`,
  };
})();
