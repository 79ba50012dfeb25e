"""Pictures that a network makes: gradient ascent on pixels, one small part a file, put together by a recipe."""
