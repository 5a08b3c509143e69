"""Which of several takes of one song has the fewest faults, as far as they can be measured."""
