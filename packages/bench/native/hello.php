<?php
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/hello':
        header('Content-Type: text/plain');
        echo "Hello, world\n";
        break;
    case '/json':
        header('Content-Type: application/json');
        $items = [];
        for ($i = 0; $i < 8; $i++) {
            $items[] = ['id' => 1000 + $i, 'name' => "Item number $i", 'price' => 9.95 + $i,
                'tags' => ['alpha', 'beta', 'gamma'], 'inStock' => $i % 2 === 0, 'note' => 'A short text here'];
        }
        echo json_encode(['page' => 1, 'total' => 8, 'items' => $items]);
        break;
    case '/post':
        header('Content-Type: application/json');
        echo json_encode(['total' => json_decode(file_get_contents('php://input'))->total]);
        break;
}
