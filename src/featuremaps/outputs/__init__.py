"""What models return, read: class scores and their names, boxes, classes at places, regions."""
