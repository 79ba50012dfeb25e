"""The tab Where people look: blurred pictures are rubbed sharp until a question can be answered; where, is kept."""
