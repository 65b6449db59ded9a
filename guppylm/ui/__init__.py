"""The page: personas to pick, a chat, topics to browse. The only part that imports gradio.

Importing `guppylm.ui` alone imports nothing heavy; `guppylm.ui.page` does.
"""
