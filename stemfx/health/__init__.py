"""What files and sets of stems are like, and what is wrong with them."""
