"""Runs inside an environment with Sockeye: translates as its own command does, but never ends a translation early, for
which that has no option.
"""

import sys
from pathlib import Path

import torch
import yaml
from sockeye import constants, translate

settings = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
for model in settings["models"]:
    path = Path(model) / constants.PARAMS_BEST_NAME
    weights = torch.load(path, weights_only=True)
    weights["output_layer.bias"][constants.EOS_ID] = -1e9
    torch.save(weights, path)
sys.argv[1:] = ["--config", sys.argv[1]]
translate.main()
