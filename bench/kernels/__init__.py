"""The recurrent operators and their backward passes; nothing above knows how they are computed."""
