"""Which words made a category or an assertion, and what the encoder's layers attend to."""
