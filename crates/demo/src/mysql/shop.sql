CREATE TABLE tickets (
    id bigint PRIMARY KEY, tenant_id varchar(40) NOT NULL, subject varchar(200) NOT NULL,
    status varchar(20) NOT NULL, resolution_note text, version int NOT NULL DEFAULT 1,
    CONSTRAINT tickets_status_check CHECK (status IN ('open', 'pending', 'closed')));
CREATE TABLE invoices (
    id bigint PRIMARY KEY, tenant_id varchar(40) NOT NULL, late_fee_cents int NOT NULL, waived_reason text,
    updated_at datetime(6) NOT NULL);
CREATE TABLE orders (id char(36) PRIMARY KEY, tenant_id varchar(40) NOT NULL, item varchar(200) NOT NULL, state varchar(20) NOT NULL);
CREATE TABLE credits (
    id bigint AUTO_INCREMENT PRIMARY KEY, tenant_id varchar(40) NOT NULL,
    points decimal(30,0) NOT NULL, reason varchar(200) NOT NULL);
INSERT INTO tickets (id, tenant_id, subject, status) VALUES
    (1, 'acme', 'Parcel late', 'open'), (2, 'acme', 'Wrong size', 'open'), (3, 'globex', 'Broken lid', 'open'),
    (4, 'ACME', 'Lost key', 'open');
INSERT INTO invoices VALUES
    (10, 'acme', 2500, NULL, '2026-05-27 10:00:00.123456'), (11, 'globex', 1900, NULL, '2026-05-27 10:00:00');
INSERT INTO orders VALUES
    ('7b0c1f0e-58a4-4d3c-9d3c-3f7a5d2b8e10', 'acme', 'Kettle', 'draft'),
    ('0d9e7c66-2f55-4b5f-8c8b-6a0b1c2d3e4f', 'globex', 'Lamp', 'draft')
