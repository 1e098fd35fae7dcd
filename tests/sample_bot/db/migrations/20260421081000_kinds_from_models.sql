-- migrate:up
UPDATE devices SET kind = CASE model
    WHEN 'Nokia 3310' THEN 'phone'
    WHEN 'Galaxy S9' THEN 'phone'
    WHEN 'iPhone 8' THEN 'phone'
    WHEN 'ThinkPad X230' THEN 'laptop'
    WHEN 'Kindle 4' THEN 'reader'
    WHEN 'EOS 350D' THEN 'camera'
    ELSE 'unknown' END;

-- migrate:down
UPDATE devices SET kind = 'unknown';
