"""How the warehouse's schema came to be: one file per version, forward only, never edited."""
