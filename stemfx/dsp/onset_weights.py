"""How much each piece of evidence of `onset_candidates` says for a stroke.

Logistic regression (L2, C = 0.1 on standardised evidence) over 43 000 candidates of drum tracks
whose strokes are known: eight kits played by formula (rock, drum and bass, rolls and flams, soft
brushes, double bass), dry, in a room, through MP3, with the rest of a song at -20 dB, at other
rates, and as the embedded model separates them from a mix; and sampled songs. Additive, because
boosted trees and small networks were no better on kits that they had not heard.

Rows: a weight per dB for each of `GROUPS`, from the lowest to the highest.
"""

from __future__ import annotations

import numpy as np

BIAS = -0.3134
RISE = (-0.0364, 0.0125, 0.0294, 0.1065, 0.1193, 0.0245, 0.1270, 0.1524)
ADDED = (-0.0141, 0.0555, -0.0102, -0.0104, -0.0092, 0.0245, 0.0118, 0.0487)
STEP = (-0.0372, -0.0308, -0.0504, -0.0451, -0.0455, -0.0378, -0.0198, -0.0666)
DECAY = (0.0473, 0.0210, 0.0049, 0.0158, 0.0486, 0.0176, 0.0412, -0.0004)
CLEAR = (0.1485, 0.1390, 0.1030, 0.0175, -0.1122, -0.0509, 0.0417, -0.0589)
HIGHEST = (0.5072, 0.2120, -0.0530, 0.0869)
FAINT = (-0.1451,)
TOTAL = (0.0380,)
OVERSHADOWED = (-0.0613,)

WEIGHTS = np.array(RISE + ADDED + STEP + DECAY + CLEAR + HIGHEST + FAINT + TOTAL + OVERSHADOWED)
