"""What decides. Nothing in here waits, reads a clock, rolls dice, opens a file or writes a log: time is an argument."""
