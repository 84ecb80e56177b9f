SELECT {{ columns }} FROM {{ target }};
