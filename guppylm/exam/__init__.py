"""Turns a trained persona into a report card: does it understand people, does it stay itself?

    questions.py   pack + rows       -> what is asked: the exam's final half, in several spellings, and held-out rows
    judge.py       reply             -> its topics: the grammar where it can say the reply, else a classifier
    voice.py       reply             -> what is wrong with how it sounds
    baselines.py   rows              -> what simpler models make of the same questions
    run.py         bundle            -> every rate with its spread over the seeds
    report.py      rates             -> JSON, a table, the verdict against the bar
    picture.py     rates             -> a picture of them

Everything is measured on replies at the settings that the page uses. Nothing here looks at weights.
"""
