CREATE OR REPLACE VIEW {{ staging }} AS
{{ parts }};
