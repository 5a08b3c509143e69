// What a point of the data holds, decoded: once, and only when somebody asks.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  const kept = new WeakMap();
  // Keep `make()` for as long as the point lives: pictures share what they decode.
  function once(point, name, make) {
    if (!kept.has(point)) kept.set(point, new Map());
    const values = kept.get(point);
    if (!values.has(name)) values.set(name, make());
    return values.get(name);
  }

  function bytesOf(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  }

  const int8Of = (base64) => new Int8Array(bytesOf(base64).buffer);

  // Levels coded as uint16, little endian: (dB + 140) * 256; 0 is silence.
  function codedLevels(base64) {
    const view = new DataView(bytesOf(base64).buffer);
    const levels_db = new Float32Array(view.byteLength / 2);
    for (let i = 0; i < levels_db.length; i++) {
      const code = view.getUint16(2 * i, true);
      levels_db[i] = code === 0 ? -Infinity : code / 256 - 140;
    }
    return levels_db;
  }

  async function inflated(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function spectrogramOf(point, picture) {
    const damaged = new Error(`the spectrogram of ${point.label} is damaged; make the page again.`);
    const codes = await inflated(bytesOf(point.spectrogram.data)).catch(() => Promise.reject(damaged));
    if (!codes.length || codes.length % point.spectrogram.columns) throw damaged;
    const levelOf = Float32Array.from({ length: 256 }, (_, v) =>
      v === 0 ? -Infinity : picture.floor_db + picture.step_db * v);
    const n_columns = point.spectrogram.columns;
    const level_db = new Float32Array(codes.length);
    for (let i = 0; i < codes.length; i++) level_db[i] = levelOf[codes[i]];
    return {
      n_columns,
      n_bands: codes.length / n_columns,
      level_db,
    };
  }

  stemfx.decode = {
    bytes: bytesOf,
    // {low, high}: Float32Array each, -1..1, `peaks_per_s` a second.
    peaks: (point) => once(point, "peaks", () => {
      const codes = int8Of(point.peaks);
      const pick = (k) => Float32Array.from({ length: codes.length / 2 }, (_, i) => codes[2 * i + k] / 127);
      return { low: pick(0), high: pick(1) };
    }),
    // 10 lg of each block's K-weighted mean square, in dB; -Infinity is silence. LUFS is 0.691 less.
    loudness: (point) => once(point, "loudness", () => codedLevels(point.loudness)),
    // Each block's sample peak in dBFS.
    blockPeaks: (point) => once(point, "blockPeaks", () => codedLevels(point.block_peaks)),
    // Promise of {n_columns, n_bands, level_db: Float32Array [band * n_columns + column]}; -Infinity is
    // the floor or less. `picture` is the data's `picture`.
    spectrogram: (point, picture) => once(point, "spectrogram", () => spectrogramOf(point, picture)),
    // Correlation of left and right per second, -1..1; null for a mono point.
    correlation: (point) => once(point, "correlation", () =>
      point.stereo && Float32Array.from(int8Of(point.stereo.correlation), (code) => code / 127)),
  };
})();
