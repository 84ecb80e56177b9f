CREATE VIEW {{ view }} AS
{{ definition }}
