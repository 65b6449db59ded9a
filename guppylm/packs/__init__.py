"""From a folder of text to conversations. Nothing in here knows of torch.

To read it in the order in which things happen:

    place.py document.py        where things stand; one file as a tree of text
    hidden.py remedies.py read.py read_json.py      bytes -> document
    schema.py validate.py publish.py                document -> typed content; JSON Schema for editors
    lang.py forms.py grammar.py                     a line -> a tree in which every name has a meaning
    files.py avatar.py sources.py lists.py bounds.py load.py    a folder -> one frozen Pack (pack.py)
    count.py unrank.py draw.py recognise.py         how many; number n; one after another; which could it be
    exchanges.py                                    which replies may answer which prompts
    normalise.py noise.py shares.py generate.py     Pack + seed -> training and examination sets
    style.py real.py sift.py overlap.py             what can come out, proved over trees
    check.py voice.py prompts.py tidy.py            every finding about a pack (findings.py has the catalogue)
"""
