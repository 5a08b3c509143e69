"""How much each piece of evidence of `onset_candidates` says for a stroke.

Logistic regression (L2, C = 0.1 on standardised evidence) over 41 000 candidates of drum tracks
whose strokes are known: eight kits played by formula (rock, drum and bass, rolls and flams, soft
brushes, double bass), dry, in a room, through MP3, with the rest of a song at -20 dB, at other
rates, and as the embedded model separates them from a mix; and sampled songs. Additive on
purpose: boosted trees and small networks fitted the kits they knew better, others worse.

Rows: a weight per dB for each of `GROUPS`, from the lowest to the highest.
"""

from __future__ import annotations

import numpy as np

BIAS = -0.5122
RISE = (-0.0352, 0.0159, 0.0168, 0.1131, 0.1217, 0.0274, 0.1308, 0.1409)
ADDED = (-0.0135, 0.0558, -0.0097, -0.0114, -0.0094, 0.0246, 0.0105, 0.0541)
STEP = (-0.0416, -0.0293, -0.0486, -0.0421, -0.0453, -0.0375, -0.0178, -0.0711)
DECAY = (0.0481, 0.0205, 0.0038, 0.0189, 0.0516, 0.0199, 0.0412, -0.0024)
CLEAR = (0.1569, 0.1436, 0.1121, 0.0102, -0.1185, -0.0534, 0.0444, -0.0564)
HIGHEST = (0.5358, 0.2204, -0.0404, 0.0670)
TOTAL = (0.0335,)
OVERSHADOWED = (-0.0361,)

WEIGHTS = np.array(RISE + ADDED + STEP + DECAY + CLEAR + HIGHEST + TOTAL + OVERSHADOWED)
