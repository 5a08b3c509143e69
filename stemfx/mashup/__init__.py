"""From files to the recipe of a mashup: what is listened to, and the text that is written."""
