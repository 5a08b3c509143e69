// Loudness of any range of a point, from the K-weighted mean squares that the page's data holds.
//
// ITU-R BS.1770-5: gating blocks of 400 ms, 75 % overlapped, an absolute gate at -70 LUFS and a
// relative one 10 LU below the mean of what passed the first.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  const BLOCK_S = 0.1;
  const MOMENTARY_BLOCKS = 4;
  const SHORT_TERM_BLOCKS = 30;
  const ABSOLUTE_GATE_LUFS = -70;
  const RELATIVE_GATE = 10 ** (-10 / 10);

  const toLufs = (power) => (power > 0 ? -0.691 + 10 * Math.log10(power) : -Infinity);
  const ABSOLUTE_GATE = 10 ** ((ABSOLUTE_GATE_LUFS + 0.691) / 10);

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  const sums = new WeakMap();

  // Powers of the point's full blocks, added up: entry i is the sum of the first i.
  function sumsOf(point) {
    if (sums.has(point)) return sums.get(point);
    const bytes = Uint8Array.from(atob(point.loudness || ""), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const total = new Float64Array(1 + bytes.length / 2);
    for (let i = 0; i + 1 < total.length; i += 1) {
      const code = view.getUint16(2 * i, true);
      total[i + 1] = total[i] + (code === 0 ? 0 : 10 ** ((code / 256 - 140) / 10));
    }
    sums.set(point, total);
    return total;
  }

  const between = (total, from, to) => Math.max(0, (total[to] - total[from]) / (to - from));

  // The blocks that a range covers: whole ones, as near as they come.
  function blocks(total, start_s, end_s) {
    const clamp = (x) => Math.min(total.length - 1, Math.max(0, Math.round(x)));
    return [clamp(start_s / BLOCK_S), clamp(end_s / BLOCK_S)];
  }

  // Integrated loudness in LUFS; -Infinity in silence and under 400 ms.
  function loudness(point, start_s = 0, end_s = Infinity) {
    const total = sumsOf(point);
    const [from, to] = blocks(total, start_s, end_s);
    const powers = [];
    for (let i = from; i + MOMENTARY_BLOCKS <= to; i += 1) {
      const power = between(total, i, i + MOMENTARY_BLOCKS);
      if (power > ABSOLUTE_GATE) powers.push(power);
    }
    if (!powers.length) return -Infinity;
    const gate = mean(powers) * RELATIVE_GATE;
    return toLufs(mean(powers.filter((power) => power > gate)));
  }

  // Loudness in LUFS of what the last n blocks held, at the end of every block: as a meter that
  // is switched on at the start shows it, with silence before.
  function running(point, n) {
    const total = sumsOf(point);
    return Float32Array.from({ length: total.length - 1 }, (_, i) =>
      toLufs((total[i + 1] - total[Math.max(0, i + 1 - n)]) / n),
    );
  }

  // Gains in dB, none above 0, with which both are as loud in the range ({start_s, end_s} or
  // null: all). Where one has no loudness (too short, too quiet) both go by their mean power; where
  // one is silent nothing is done.
  function matchedGains(a, b, range) {
    const { start_s = 0, end_s = Infinity } = range || {};
    let levels = [a, b].map((point) => loudness(point, start_s, end_s));
    if (!levels.every(Number.isFinite)) {
      levels = [a, b].map((point) => {
        const total = sumsOf(point);
        const [from, to] = blocks(total, start_s, end_s);
        return to > from ? toLufs(between(total, from, to)) : -Infinity;
      });
    }
    if (!levels.every(Number.isFinite)) return [0, 0];
    const lower = Math.min(...levels);
    return levels.map((level) => lower - level);
  }

  Object.assign(stemfx, {
    loudness,
    momentary: (point) => running(point, MOMENTARY_BLOCKS),
    shortTerm: (point) => running(point, SHORT_TERM_BLOCKS),
    matchedGains,
  });
})();
