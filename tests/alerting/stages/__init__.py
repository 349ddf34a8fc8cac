"""The stages of the alert policy, one test file per stage."""
