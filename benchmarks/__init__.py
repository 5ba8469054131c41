"""How fast is Steep, and how much memory does it take? Contests on one machine, in one run."""
