"""A scoring script with a mistake that no server notices: it answers logarithms where it promises probabilities.

Roll it out to see the way back: `aml-runner rollout --file online-deployment.yml
--set code_configuration.scoring_script=score_wrong.py --request-file request.json --expect '$.predictions[0].probability > 0'`.
"""
import math

from score import init  # noqa: F401: the server calls it
import score


def run(data):
    answer = score.run(data)
    for one in answer.get("predictions", []):
        one["probability"] = math.log(one["probability"])
    return answer
