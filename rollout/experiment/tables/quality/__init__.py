"""Tables of judged answers: pairs of both versions' answers, and judges beside people."""
