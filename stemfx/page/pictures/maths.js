// The numbers behind the pictures, as functions of decoded points. No page, no drawing.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // Below this a band of a spectrogram is nothing that anybody hears: dither, rounding.
  const FLOOR_DB = -100;
  // A block below this (dBFS, or dB of K-weighted mean square) says nothing about gain.
  const QUIET_DB = -70;

  // Edges of logarithmically spaced bands from their n centres: n + 1 frequencies in Hz.
  stemfx.bandEdges = (centres_hz) => {
    const n = centres_hz.length;
    const half = n > 1 ? Math.sqrt(centres_hz[1] / centres_hz[0]) : 2;
    return [centres_hz[0] / half, ...Array.from({ length: n }, (_, k) =>
      k + 1 < n ? Math.sqrt(centres_hz[k] * centres_hz[k + 1])
        : centres_hz[k] * Math.sqrt(centres_hz[k] / (centres_hz[k - 1] ?? centres_hz[k] / half ** 2)))];
  };

  // A map over bands and columns from two spectrograms, as long as the longer; `of(a_db, b_db)`.
  function mapOf(a, b, of) {
    const n_columns = Math.max(a.n_columns, b.n_columns);
    const n_bands = Math.min(a.n_bands, b.n_bands);
    const values = new Float32Array(n_bands * n_columns);
    const at = (s, band, column) =>
      column < s.n_columns ? s.level_db[band * s.n_columns + column] : -Infinity;
    for (let band = 0; band < n_bands; band++)
      for (let column = 0; column < n_columns; column++)
        values[band * n_columns + column] = of(at(a, band, column), at(b, band, column));
    return { n_columns, n_bands, values };
  }

  // What is louder (+) and softer (-) in `after`, in dB; NaN where neither is above the floor. What is
  // under the floor counts as the floor: the change out of silence is finite.
  stemfx.change = (before, after, floor_db = FLOOR_DB) => mapOf(before, after, (a, b) =>
    a > floor_db || b > floor_db ? Math.max(b, floor_db) - Math.max(a, floor_db) : NaN);

  // The magnitude ratio of a stem to its mixture, 0..1 (more is told as 1); NaN where the mixture is
  // under the floor.
  stemfx.maskOf = (stem, mixture, floor_db = FLOOR_DB) => mapOf(stem, mixture, (s, m) =>
    m > floor_db ? Math.min(1, 10 ** ((s - m) / 20)) : NaN);

  // How far a map was turned down, in dB >= 0, beyond a gain that it got everywhere.
  stemfx.attenuation = (before, after, static_db = 0, floor_db = FLOOR_DB) =>
    mapOf(before, after, (a, b) =>
      a > floor_db ? Math.max(0, a - Math.max(b - static_db, floor_db)) : NaN);

  // Mean power of a spectrogram over time, in dB per band.
  stemfx.bandLevels = (spectrogram) => {
    const { n_bands, n_columns, level_db } = spectrogram;
    return Float32Array.from({ length: n_bands }, (_, band) => {
      let power = 0;
      for (let i = band * n_columns; i < (band + 1) * n_columns; i++) power += 10 ** (level_db[i] / 10);
      return 10 * Math.log10(power / n_columns);
    });
  };

  // Where the spectrum lost and gained most over the whole time: {cut: {band, change_db}, boost: ...},
  // among bands that are within `reach_db` of the loudest; null where nothing can be told.
  stemfx.spectralChange = (before, after, reach_db = 50) => {
    const a = stemfx.bandLevels(before);
    const b = stemfx.bandLevels(after);
    const loudest = Math.max(...a, ...b);
    const told = [...a.keys()].filter((k) => k < b.length && Math.max(a[k], b[k]) > loudest - reach_db)
      .map((band) => ({ band, change_db: Math.max(b[band], FLOOR_DB) - Math.max(a[band], FLOOR_DB) }))
      .sort((x, y) => x.change_db - y.change_db);
    return told.length ? { cut: told[0], boost: told[told.length - 1] } : null;
  };

  // Share of a mixture's energy in a stem, 0..1.
  stemfx.energyShare = (stem, mixture) => {
    const energy = (s) => stemfx.bandLevels(s).reduce((sum, db) => sum + 10 ** (db / 10), 0) * s.n_columns;
    return energy(stem) / energy(mixture);
  };

  stemfx.quantile = (values, q) => {
    const sorted = Float64Array.from(values).filter((x) => !Number.isNaN(x)).sort();
    if (!sorted.length) return NaN;
    const place = q * (sorted.length - 1);
    const low = sorted[Math.floor(place)];
    const high = sorted[Math.ceil(place)];
    return low === high ? low : low + (high - low) * (place % 1); // also where both are infinite
  };
  // The largest of any many numbers.
  stemfx.most = (values) => {
    let most = -Infinity;
    for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
    return most;
  };

  stemfx.median = (values) => stemfx.quantile(values, 0.5);

  // What a step did to the level of each block. `static_db` is the median, the gain that it gives all
  // the time; `moving_db` what moves around it (NaN where the input is quiet); `deepest_db` the lowest
  // of that (1st percentile, so that one block between two hits does not tell it); `share_down` the
  // share of blocks that are turned down by more than 1 dB, 0..1.
  stemfx.levelChange = (before_db, after_db, quiet_db = QUIET_DB) => {
    const change_db = Float32Array.from(before_db, (b, i) =>
      b > quiet_db ? Math.max(after_db[i] ?? -Infinity, quiet_db) - b : NaN);
    const static_db = stemfx.median(change_db);
    const moving_db = change_db.map((c) => c - static_db);
    const told = moving_db.filter((c) => !Number.isNaN(c));
    return {
      static_db, moving_db,
      deepest_db: stemfx.quantile(told, 0.01),
      share_down: told.length ? told.filter((c) => c < -1).length / told.length : 0,
    };
  };

  // Tempo of a beat grid: {bpm, low_bpm, high_bpm}: median, and 5th and 95th percentile over bars of
  // four beats (single beats jitter by the grid's resolution).
  stemfx.tempoOf = (beats_s) => {
    const span = Math.min(4, beats_s.length - 1);
    if (span < 1) return null;
    const bpm = beats_s.slice(span).map((t, i) => (60 * span) / (t - beats_s[i]));
    return { bpm: stemfx.median(bpm), low_bpm: stemfx.quantile(bpm, 0.05), high_bpm: stemfx.quantile(bpm, 0.95) };
  };

  // Median distance in s from each of `beats_s` to the nearest of `reference_s`, both ascending.
  stemfx.beatsApart = (reference_s, beats_s) => {
    let k = 0;
    return stemfx.median(beats_s.map((t) => {
      while (k + 1 < reference_s.length && Math.abs(reference_s[k + 1] - t) <= Math.abs(reference_s[k] - t)) k++;
      return Math.abs(reference_s[k] - t);
    }));
  };
})();
