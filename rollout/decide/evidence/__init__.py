"""How a look's samples change what is known of both versions; nothing is decided here."""
