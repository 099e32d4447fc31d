"""The recurrent operators and their backward passes; other packages do not depend on how they are computed."""
