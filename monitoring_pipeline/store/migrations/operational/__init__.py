"""How the operational store's schema came to be: one file per version, forward only, never edited."""
