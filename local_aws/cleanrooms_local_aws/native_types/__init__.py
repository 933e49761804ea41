"""CloudFormation's own resource types of Clean Rooms: schemas, resources and replacement."""
