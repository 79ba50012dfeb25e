"""The tab Words: captions and questions, and where the network looked for each word."""
