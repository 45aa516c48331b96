"""faster-whisper: OpenAI's Whisper on CTranslate2, for many streams at once.

    streams (audio, windows) --due--> schedule --batch--> decoder --> gate --> hypotheses
                                                  (features, encode, generate, align: one batch each)

Nothing is imported here: the parts are tested one by one, and most of them need no model.
"""
