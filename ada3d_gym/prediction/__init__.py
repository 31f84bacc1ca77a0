"""Answers for new videos from a trained network and its policy.

from ada3d_gym.prediction import Predictor

predictor = Predictor.from_pretrained("runs/mine")
for video in predictor("new-videos/"):
    print(video.video, video.answers, video.clips[0].kept_seconds)
"""

from ada3d_gym.prediction.config import ModelConfig as ModelConfig
from ada3d_gym.prediction.predictor import Predictor as Predictor
from ada3d_gym.prediction.results import ClipPrediction as ClipPrediction
from ada3d_gym.prediction.results import Prediction as Prediction
